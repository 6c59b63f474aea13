"""Many independent tasks on any `concurrent.futures.Executor`: processes, Dask, or one's own; killed workers are survived, finished results kept on disk."""

from .executors import Pool, in_process, on_dask, processes
from .tasks import Failure, completed

__all__ = ["Failure", "Pool", "completed", "in_process", "on_dask", "processes"]
