//! Codecs: pure functions over bytes.
