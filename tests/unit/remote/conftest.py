"""What the tests of the remote backend share."""
