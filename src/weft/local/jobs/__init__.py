"""Run jobs: claim them, sync, fire schedules, clean up."""
