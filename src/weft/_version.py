"""The one place that states the version; the package and its manifests are built from it."""

__version__ = "0.1.0"
