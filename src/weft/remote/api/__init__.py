"""HTTP to the API: requests, its lists page by page, and the meaning of its refusals."""
