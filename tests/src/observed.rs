//! Processes that a test did not start itself, such as spawned workers. Linux only: it reads `/proc`.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::processes::LIMIT;

/// A process of which a file descriptor is held, so that its number cannot come to mean another.
#[derive(Debug)]
pub struct Observed {
    handle: OwnedFd,
    /// Its command line.
    pub arguments: Vec<String>,
}

impl Observed {
    /// The processes that process `parent` has started, in the order of their command lines.
    ///
    /// # Panics
    ///
    /// If the system does not list its processes.
    pub fn children_of(parent: u32) -> Vec<Self> {
        let processes = fs::read_dir("/proc").expect("the system lists its processes in /proc");
        let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut children: Vec<Self> = numbers.filter_map(|number| Self::child(number, parent)).collect();
        children.sort_by(|one, other| one.arguments.cmp(&other.arguments));
        children
    }

    /// Process `number`, if `parent` has started it.
    fn child(number: i32, parent: u32) -> Option<Self> {
        // First the handle, then the question whose it is.
        let handle = pidfd_open(Pid::from_raw(number)?, PidfdFlags::empty()).ok()?;
        let facts = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        // `number (name) state parent …`, and a name may contain anything.
        let (_, behind_name) = facts.rsplit_once(')')?;
        let is_child = behind_name.split_whitespace().nth(1)?.parse() == Ok(parent);
        let words = fs::read(format!("/proc/{number}/cmdline")).ok()?;
        let arguments = words.split(|&byte| byte == 0);
        let arguments = arguments
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        is_child.then_some(Self { handle, arguments })
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If [`LIMIT`] passes.
    pub fn wait_until_gone(&self) {
        let limit = Timespec::try_from(LIMIT).expect("the limit is a few minutes");
        let mut ends = [PollFd::new(&self.handle, PollFlags::IN)];
        let ended = poll(&mut ends, Some(&limit)).expect("a process can be polled") > 0;
        assert!(ended, "still there after {} s: {:?}", LIMIT.as_secs(), self.arguments);
    }

    /// Ends it as `kill -9` would.
    ///
    /// # Panics
    ///
    /// If it has ended already.
    pub fn kill(&self) {
        pidfd_send_signal(&self.handle, Signal::KILL).expect("the process is running");
    }
}
