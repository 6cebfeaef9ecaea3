"""The `objects` source: buckets of S3 and compatible stores, Google Cloud Storage and Azure."""
