"""A sweep on a Slurm cluster: run this on the login node. Adapt what stands in capitals; `--show-job` prints a worker's job."""
import sys

from dask.distributed import Client
from dask_jobqueue import SLURMCluster

from droughtal.loop.sweep import plan, run_sweep, print_report

QUEUE, ACCOUNT = "gpu", None  # partition and account, as for sbatch
AT_MOST = 32  # runs at once
GRID = dict(preset="low-budget", data="/shared/droughtwatch.h5")
OUT = "/shared/sweeps/low-budget"  # on a disk that login node and workers share

if __name__ == "__main__":
    cluster = SLURMCluster(
        queue=QUEUE, account=ACCOUNT, cores=1, processes=1, job_cpu=4, memory="16GB", walltime="08:00:00",
        job_extra_directives=["--gres=gpu:1"],
        # a worker takes no new run when its time is nearly over; a run that is cut off goes on elsewhere after its last round
        worker_extra_args=["--resources", "GPU=1", "--lifetime", "420m", "--lifetime-stagger", "10m"])
    if "--show-job" in sys.argv: sys.exit(print(cluster.job_script()))
    cluster.scale(jobs=AT_MOST)
    with Client(cluster) as client:
        report = run_sweep(plan(GRID, OUT), client=client, resources={"GPU": 1})
    print_report(report)
    sys.exit(1 if len(report.failed) else 0)
