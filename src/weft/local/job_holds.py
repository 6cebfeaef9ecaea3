"""Remembers why jobs are held up while the database cannot be written."""

from weft.domain.jobs import Job, JobStatus

_WAITS = "Waiting until the database can be written."


class JobHolds:
    """The reasons why jobs are held up; one object in each process."""

    def __init__(self) -> None:
        self._unsettled: dict[str, str] = {}
        self._unclaimed: str | None = None

    def hold(self, job_id: str, trouble: str) -> bool:
        """Note that the job's outcome cannot be stored; return whether the reason is new."""
        known = self._unsettled.get(job_id)
        self._unsettled[job_id] = f"{trouble} {_WAITS}"
        return self._unsettled[job_id] != known

    def release(self, job_id: str) -> None:
        """Forget the job: its outcome is stored, or it runs again."""
        self._unsettled.pop(job_id, None)

    def hold_queue(self, trouble: str | None) -> bool:
        """Note why no job can be claimed, None once one can; return whether the reason is new."""
        known, self._unclaimed = self._unclaimed, trouble and f"{trouble} {_WAITS}"
        return self._unclaimed != known

    def annotate(self, job: Job) -> Job:
        """Return the job with the reason that holds it up as its error."""
        if job.status.is_terminal:
            return job
        queued = self._unclaimed if job.status is JobStatus.PENDING else None
        reason = self._unsettled.get(job.id, queued)
        return job if reason is None else job.model_copy(update={"error": reason})
