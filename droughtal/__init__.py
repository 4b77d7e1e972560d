__version__ = "0.1.0"

import warnings

# fastai imports a part of torch that announces its own retirement on every import
warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=FutureWarning)
