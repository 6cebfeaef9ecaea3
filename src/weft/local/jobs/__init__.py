"""Run jobs: claim them, sync, fire schedules, keep house."""
