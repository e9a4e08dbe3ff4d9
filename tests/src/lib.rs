//! Integration tests over several crates of the workspace; the examples of the top README are doc tests here.

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
