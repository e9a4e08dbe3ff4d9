//! What tasks coordinate with: gather, timeouts, locks, events, queues.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

// `extern crate alloc;` (feature alloc) and modules follow here.
