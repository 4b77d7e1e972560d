"""A sweep on a Slurm cluster. Adapt the constants and run this on the login node; `--show-job` prints a worker's job."""
import sys

from dask.distributed import Client
from dask_jobqueue import SLURMCluster

from droughtal.loop.sweep import plan, print_report, run_sweep

QUEUE, ACCOUNT = "gpu", None  # partition and account, as for sbatch
MAX_JOBS = 32  # notebooks at once
GRID = dict(preset="low-budget", data="/shared/droughtwatch.h5")
OUT = "/shared/sweeps/low-budget"  # on a disk that login node and workers share

if __name__ == "__main__":
    cluster = SLURMCluster(
        queue=QUEUE, account=ACCOUNT, cores=1, processes=1, job_cpu=4, memory="16GB", walltime="08:00:00",
        job_extra_directives=["--gres=gpu:1"],
        # a worker takes no new runs shortly before its time is up; those that it leaves are resumed on another one
        worker_extra_args=["--resources", "GPU=1", "--lifetime", "420m", "--lifetime-stagger", "10m"])
    if "--show-job" in sys.argv:
        sys.exit(print(cluster.job_script()))
    cluster.scale(jobs=MAX_JOBS)
    with Client(cluster) as client:
        report = run_sweep(plan(GRID, OUT), client=client, resources={"GPU": 1})
    print_report(report)
    sys.exit(1 if len(report.failed) else 0)
