//! What was measured once, and what the forecast takes for granted. `docs/growth.md` says what was measured.

/// Bytes a second, both directions together, between a coordinator and the workers that it started, through memory that they
/// share, while the sums and parameters of an iteration are in the caches.
///
/// Measured on a virtual machine with 2 cores of an AMD EPYC: 12288-20-7-5-1 in f64, 1.97 MB each way. What iterations
/// took longer with 1, 2 and 4 workers than in one process, less the two costs below, gave 22, 22 and 11 GB/s: copies by
/// the workers, and by one thread of the coordinator.
pub const SHARED_MEMORY_BYTES_PER_SECOND: f64 = 14e9;

/// The same over TCP, by workers that were started by hand on the same machine: 3.1 to 3.6 GB/s. It is what the thread does
/// that reads and writes the coordinator's sockets, so more cores do not make it faster.
pub const STREAM_BYTES_PER_SECOND: f64 = 3.3e9;

/// Seconds a worker and iteration that passes without any numbers: threads wake each other in two processes.
///
/// Measured on the same machine: 16-4-1 with 512 columns took 0.07 ms an iteration longer for each of 1 to 8 workers.
pub const LOOPBACK_LATENCY_SECONDS: f64 = 70e-6;

/// Seconds an iteration until the first byte has come to the workers and the first of their answers back.
///
/// Not measured: a round trip in a local network, and the threads that wake at both ends of it.
pub const NETWORK_LATENCY_SECONDS: f64 = 300e-6;

/// The share of a link's bits that are numbers: of the 1538 bytes that a full Ethernet frame takes, 1448 are left when
/// Ethernet, IPv4 and TCP with timestamps have taken theirs. HTTP/2 and gRPC take less than a thousandth.
pub const PAYLOAD_SHARE: f64 = 1448.0 / 1538.0;

/// Bytes of sums and parameters a second with which the coordinator keeps what arrives, joins it and updates.
///
/// Measured on the same machine: 14 to 40 GB/s for 2 to 63 MB; the larger the slower, because they leave the caches.
pub const UPDATE_BYTES_PER_SECOND: f64 = 20e9;
