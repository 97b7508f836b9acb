//! What a test does to a process.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::Process;

impl Process {
    /// Ends it as `kill -9` would, and waits until it is gone.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process that we started may be ended by us");
        self.wait_for_state(WaitIdOptions::EXITED);
    }

    /// Interrupts it as Ctrl-C would.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Asks it to end, as `kill` would.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops it as `kill -STOP` would, and waits until it stands still.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        self.wait_for_state(WaitIdOptions::STOPPED | WaitIdOptions::EXITED);
    }

    /// Lets it go on after [`Process::stop`].
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a process that we started may be sent signals");
    }

    /// Waits for a change of its state, which stays to be waited for again.
    fn wait_for_state(&self, states: WaitIdOptions) {
        let process = WaitId::Pid(Pid::from_child(&self.child));
        waitid(process, states | WaitIdOptions::NOWAIT).expect("a process that we started can be awaited");
    }
}
