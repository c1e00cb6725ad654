//! Tests of who is meant and of a pass. Pure.
