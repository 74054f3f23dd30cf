//! Server-sent events: bytes in, events out, however the bytes are cut.
