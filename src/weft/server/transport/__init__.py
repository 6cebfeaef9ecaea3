"""stdio, streamable HTTP and SSE."""
