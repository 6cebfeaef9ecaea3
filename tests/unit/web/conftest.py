"""The path of the web tests' shared module."""
