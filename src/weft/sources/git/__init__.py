"""The `git` source: a repository on this machine or over HTTP."""
