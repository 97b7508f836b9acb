//! A coordinator and workers by hand, each of which reaches it through a proxy of its own.

use std::net::SocketAddr;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use super::{Proxy, Subject};
use crate::cluster::listening_coordinator;
use crate::processes::{Finished, Process, Said, StderrMark};
use crate::programs::Program;

/// `--worker-timeout` of these runs: short, so that silence is noticed soon.
pub const WORKER_TIMEOUT: &str = "500ms";

/// `--worker-timeout` of runs in which nobody may be taken for lost because of silence, however busy the machine is.
pub const NEVER: &str = "10m";

/// The latency of a braked fleet: slow enough for a fault to fall into a chosen iteration.
pub const BRAKE: Duration = Duration::from_millis(40);

/// How many iterations a run must make without the brake after all faults, before it is stopped.
const AFTERWARDS: u64 = 20;

/// A coordinator and its workers. All end with it.
#[derive(Debug)]
pub struct Fleet {
    /// The coordinator.
    pub coordinator: Process,
    /// Where the coordinator listens.
    pub upstream: SocketAddr,
    /// The workers that were started, in that order.
    pub members: Vec<Member>,
    latency: Duration,
}

/// A worker, and the proxy between it and the coordinator.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The process.
    pub worker: Process,
    /// Its way to the coordinator.
    pub proxy: Proxy,
    /// Whether a test has ended it, or does not care how it ends.
    is_abandoned: bool,
}

/// What a worker says when it is a member.
const JOINED: &str = "joined as worker ";

impl Fleet {
    /// Starts the coordinator of a run on `subject`, with `options` besides.
    ///
    /// # Panics
    ///
    /// If it does not listen.
    pub fn start(subject: &Subject, options: &[&str]) -> Self {
        let (coordinator, upstream) = start_coordinator(subject, options);
        Self {
            coordinator,
            upstream,
            members: Vec::new(),
            latency: Duration::ZERO,
        }
    }

    /// As [`Fleet::start`], with the brake on and these workers.
    ///
    /// # Panics
    ///
    /// If the coordinator does not listen.
    pub fn braked(subject: &Subject, options: &[&str], names: &[&str]) -> Self {
        let mut fleet = Self::start(subject, options);
        fleet.brake();
        for name in names {
            fleet.join(name);
        }
        fleet
    }

    /// Ends the coordinator as `kill -9` would. Returns what it has printed. Nothing listens at its address then.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn kill_coordinator(&mut self) -> String {
        // First, so that no worker finds a proxy that leads nowhere.
        self.members.iter().for_each(|member| member.proxy.refuse());
        self.coordinator.kill();
        self.coordinator
            .wait_until("close its streams", |said| said.is_over().then(|| said.stdout.clone()))
    }

    /// Starts a coordinator in place of the one that was killed, at the address that the workers know.
    ///
    /// # Panics
    ///
    /// If it does not listen.
    pub fn start_another_coordinator(&mut self, subject: &Subject, options: &[&str]) {
        (self.coordinator, self.upstream) = start_coordinator(subject, options);
        let upstream = self.upstream;
        self.members.iter().for_each(|member| member.proxy.lead_to(upstream));
    }

    /// Slows the run down by latency.
    pub fn brake(&mut self) {
        self.set_latency(BRAKE);
    }

    /// Lets the run go on at full speed.
    pub fn release_brake(&mut self) {
        self.set_latency(Duration::ZERO);
    }

    /// The latency of all workers, those that join later included.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
        self.members.iter().for_each(|member| member.proxy.delay(latency));
    }

    /// Starts a worker that joins, called `name`.
    pub fn join(&mut self, name: &str) {
        self.join_through(Proxy::to(self.upstream), name);
    }

    /// As [`Fleet::join`], through a proxy that was made before.
    pub fn join_through(&mut self, proxy: Proxy, name: &str) {
        proxy.delay(self.latency);
        self.members.push(Member::start(proxy, name));
    }

    /// Waits until the coordinator has printed the cost of `iteration`.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub fn wait_for_iteration(&self, iteration: u64) {
        self.coordinator
            .wait_for_stdout(&format!("Cost after iteration {iteration}:"));
    }

    /// Waits until `iterations` more costs have been printed than there are now.
    ///
    /// # Panics
    ///
    /// If the coordinator ends before.
    #[track_caller]
    pub fn wait_for_more_iterations(&self, iterations: u64) {
        assert!(
            self.makes_more_iterations(iterations),
            "the run ended before {iterations} more iterations"
        );
    }

    /// As [`Fleet::wait_for_more_iterations`]; `false` if the coordinator ends before.
    ///
    /// # Panics
    ///
    /// If neither happens within [`LIMIT`](crate::processes::LIMIT).
    pub fn makes_more_iterations(&self, iterations: u64) -> bool {
        let costs = |said: &Said| said.stdout.lines().filter(|line| line.starts_with("Cost ")).count() as u64;
        let wanted = costs(&self.coordinator.said()) + iterations;
        self.coordinator
            .wait_until(&format!("print {iterations} more costs"), |said| {
                let enough = costs(said) >= wanted;
                (enough || said.is_over()).then_some(enough)
            })
    }

    /// Waits until the coordinator says that it has lost the worker called `name`, and returns the line.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub fn wait_until_lost(&self, name: &str) -> String {
        self.wait_until_lost_since(StderrMark::default(), name)
    }

    /// As [`Fleet::wait_until_lost`], after `mark` was taken.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub fn wait_until_lost_since(&self, mark: StderrMark, name: &str) -> String {
        let named = format!("({name})");
        let wanted = format!("that it lost {name}");
        self.coordinator.wait_for_stderr_line_since(mark, &wanted, |line| {
            line.contains("lost worker ") && line.contains(&named)
        })
    }

    /// Ends the worker called `name` as `kill -9` would.
    pub fn kill(&mut self, name: &str) {
        let member = &mut self[name];
        member.is_abandoned = true;
        member.worker.kill();
    }

    /// Releases the brake, lets the run go on for a while, stops it, and checks that the coordinator printed what an
    /// undisturbed run prints, and that every worker ended as it should.
    ///
    /// # Panics
    ///
    /// If it is otherwise.
    #[track_caller]
    pub fn finish(mut self, subject: &Subject) -> Finished {
        self.release_brake();
        self.wait_for_more_iterations(AFTERWARDS);
        self.coordinator.interrupt();
        let coordinator = self.finish_all().expect_code(130);
        subject.check(&coordinator.stdout);
        coordinator
    }

    /// As [`Fleet::finish`] for a run that ends by itself, and that was resumed after coordinators before had printed
    /// `earlier`.
    ///
    /// # Panics
    ///
    /// As [`Fleet::finish`].
    #[track_caller]
    pub fn finish_resumed(mut self, subject: &Subject, earlier: &[String]) -> Finished {
        self.release_brake();
        let coordinator = self.finish_all().expect_code(0);
        subject.check_resumed(earlier, &coordinator.stdout);
        coordinator
    }

    /// Waits for the end of all, and checks that every worker ended as it should.
    #[track_caller]
    fn finish_all(self) -> Finished {
        let coordinator = self.coordinator.finish();
        for member in self.members {
            member.finish();
        }
        coordinator
    }
}

/// Starts the coordinator of a run on `subject`, with [`WORKER_TIMEOUT`] unless `options` name another.
fn start_coordinator(subject: &Subject, options: &[&str]) -> (Process, SocketAddr) {
    let timeout = ["--worker-timeout", WORKER_TIMEOUT];
    let own: &[&str] = if options.contains(&timeout[0]) { &[] } else { &timeout };
    listening_coordinator(&subject.options(&[own, options].concat()))
}

impl Index<&str> for Fleet {
    type Output = Member;

    fn index(&self, name: &str) -> &Member {
        let member = self.members.iter().find(|member| member.name == name);
        member.unwrap_or_else(|| panic!("no worker is called {name}"))
    }
}

impl IndexMut<&str> for Fleet {
    fn index_mut(&mut self, name: &str) -> &mut Member {
        let member = self.members.iter_mut().find(|member| member.name == name);
        member.unwrap_or_else(|| panic!("no worker is called {name}"))
    }
}

impl Member {
    /// Starts a worker of one thread that connects to `proxy`.
    pub fn start(proxy: Proxy, name: &str) -> Self {
        let address = proxy.address().to_string();
        let arguments = [["--connect", &address], ["--name", name], ["--threads", "1"]];
        Self {
            name: name.to_owned(),
            worker: Process::start(Program::Worker, arguments.as_flattened()),
            proxy,
            is_abandoned: false,
        }
    }

    /// How often it has joined.
    pub fn times_joined(&self) -> usize {
        self.worker.said().stderr.matches(JOINED).count()
    }

    /// Waits until it has joined for the `times`-th time.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub fn wait_until_joined(&self, times: usize) {
        self.worker.wait_for_stderr_times(JOINED, times);
    }

    /// Waits until it is a member: it has joined, and has not lost the coordinator since.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub fn wait_until_member(&self) {
        self.worker.wait_until("be a member", |said| {
            let joined = said.stderr.contains(JOINED);
            (joined && !is_looking(said)).then_some(())
        });
    }

    /// Waits for its end after the coordinator's, and checks it: told how the run has ended; or, should that have come
    /// while it was cut off, it looks for the coordinator until it is ended; or as a test wanted it.
    ///
    /// # Panics
    ///
    /// If it ended otherwise.
    #[track_caller]
    pub fn finish(self) {
        let Self {
            name,
            mut worker,
            is_abandoned,
            proxy: _open_until_then,
        } = self;
        if is_abandoned {
            return worker.kill();
        }
        let was_cut_off = worker.wait_until("end, or look for the coordinator", |said| {
            (said.is_over() || is_looking(said)).then(|| !said.is_over())
        });
        if was_cut_off {
            worker.terminate();
        }
        let ended = worker.finish();
        let told = |code, what| ended.code == Some(code) && ended.stderr.contains(what);
        assert!(
            told(0, "the run is complete")
                || told(2, "the user stopped the run")
                || was_cut_off && ended.code == Some(143),
            "{name} ended with {:?}, signal {:?}, cut off: {was_cut_off}:\n{}",
            ended.code,
            ended.signal,
            ended.stderr
        );
    }

    /// From now on it may end as it likes, and is ended with the run at the latest: for one whose bytes were altered, so
    /// that it may have been dismissed, or may have found no coordinator behind them.
    pub fn abandon(&mut self) {
        self.is_abandoned = true;
    }
}

/// Whether a worker has lost the coordinator, or never reached it, and has not joined since.
fn is_looking(said: &Said) -> bool {
    let lost = ["lost the coordinator", "broke while joining"].map(|part| said.stderr.rfind(part));
    lost.into_iter().max().flatten() > said.stderr.rfind(JOINED)
}
