//! A process under test: started, listened to, awaited with a limit, and ended when it goes out of scope.

mod signals;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::programs::Program;

/// How long any wait may take. Nothing comes near it unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A running process.
#[derive(Debug)]
pub struct Process {
    command_line: String,
    child: Child,
    transcript: Arc<Transcript>,
}

/// What a process has said so far.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Whole lines of its standard output.
    pub stdout: String,
    /// Whole lines of its standard error.
    pub stderr: String,
    /// Streams that it has not closed.
    open_streams: usize,
}

/// A place between two lines of a process's standard error; by default the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct StderrMark(usize);

#[derive(Debug, Default)]
struct Transcript {
    said: Mutex<Said>,
    changed: Condvar,
}

/// A process that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    command_line: String,
}

impl Process {
    /// Starts `program`, with an environment that sets nothing of what these programs read.
    ///
    /// # Panics
    ///
    /// If the program is not there or the system refuses.
    pub fn start(program: Program, arguments: &[&str]) -> Self {
        Self::start_with(program, arguments, |command| command)
    }

    /// As [`Process::start`], with more settings of the command, such as environment variables.
    ///
    /// # Panics
    ///
    /// As [`Process::start`].
    pub fn start_with(
        program: Program,
        arguments: &[&str],
        settings: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        Self::start_at(&program.path(), arguments, settings)
    }

    /// As [`Process::start_with`], of the program at `path`.
    ///
    /// # Panics
    ///
    /// As [`Process::start`].
    pub fn start_at(path: &Path, arguments: &[&str], settings: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env_remove("RUST_LOG")
            .env_remove("LOCKSTEP_TOKEN")
            .env_remove("LOCKSTEP_INSTRUCTION_SET")
            .stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = while_nothing_else_starts(|| settings(&mut command).spawn())
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let transcript = Arc::new(Transcript::default());
        transcript.lock().open_streams = usize::from(child.stdout.is_some()) + usize::from(child.stderr.is_some());
        if let Some(stdout) = child.stdout.take() {
            listen(stdout, &transcript, |said| &mut said.stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            listen(stderr, &transcript, |said| &mut said.stderr);
        }
        Self {
            command_line: format!("{name} {}", arguments.join(" ")),
            child,
            transcript,
        }
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `condition` finds something in what the process has said, and returns it.
    ///
    /// # Panics
    ///
    /// If the process ends before, or [`LIMIT`] passes.
    pub fn wait_until<T>(&self, wanted: &str, mut condition: impl FnMut(&Said) -> Option<T>) -> T {
        let mut found = None;
        let not_yet = |said: &mut Said| {
            found = condition(said);
            found.is_none() && said.open_streams > 0
        };
        let waited = self
            .transcript
            .changed
            .wait_timeout_while(self.transcript.lock(), LIMIT, not_yet);
        drop(waited);
        found.unwrap_or_else(|| {
            panic!(
                "`{}` did not do this within {} s or before its end: {wanted}",
                self.command_line,
                LIMIT.as_secs()
            )
        })
    }

    /// Waits for a line of standard error that contains `part`, and returns it.
    ///
    /// # Panics
    ///
    /// As [`Process::wait_until`].
    pub fn wait_for_stderr(&self, part: &str) -> String {
        self.wait_for_stderr_times(part, 1)
    }

    /// As [`Process::wait_for_stderr`], for the `count`-th such line.
    ///
    /// # Panics
    ///
    /// As [`Process::wait_until`].
    pub fn wait_for_stderr_times(&self, part: &str, count: usize) -> String {
        self.wait_for_stderr_times_since(StderrMark::default(), part, count)
    }

    /// How much it has said on standard error, for [`Process::wait_for_stderr_since`].
    pub fn stderr_mark(&self) -> StderrMark {
        StderrMark(self.transcript.lock().stderr.len())
    }

    /// As [`Process::wait_for_stderr`], for what is said after `mark` was taken.
    ///
    /// # Panics
    ///
    /// As [`Process::wait_until`].
    pub fn wait_for_stderr_since(&self, mark: StderrMark, part: &str) -> String {
        self.wait_for_stderr_times_since(mark, part, 1)
    }

    /// As [`Process::wait_for_stderr_since`], for the `count`-th such line.
    ///
    /// # Panics
    ///
    /// As [`Process::wait_until`].
    pub fn wait_for_stderr_times_since(&self, mark: StderrMark, part: &str, count: usize) -> String {
        assert!(count > 0, "the first line has number 1");
        let mut missing = count;
        let wanted = format!("say «{part}» {count} times on standard error, from byte {} on", mark.0);
        self.wait_for_line(
            &wanted,
            |said| &said.stderr,
            mark.0,
            |line| {
                missing -= usize::from(line.contains(part));
                missing == 0
            },
        )
    }

    /// Waits for a line of standard error that satisfies `condition`, and returns it.
    ///
    /// # Panics
    ///
    /// As [`Process::wait_until`].
    pub fn wait_for_stderr_line(&self, wanted: &str, condition: impl Fn(&str) -> bool) -> String {
        self.wait_for_stderr_line_since(StderrMark::default(), wanted, condition)
    }

    /// As [`Process::wait_for_stderr_line`], for what is said after `mark` was taken.
    ///
    /// # Panics
    ///
    /// As [`Process::wait_until`].
    pub fn wait_for_stderr_line_since(
        &self,
        mark: StderrMark,
        wanted: &str,
        condition: impl Fn(&str) -> bool,
    ) -> String {
        self.wait_for_line(
            &format!("say {wanted} on standard error"),
            |said| &said.stderr,
            mark.0,
            condition,
        )
    }

    /// Waits for a line of standard output that contains `part`.
    ///
    /// # Panics
    ///
    /// As [`Process::wait_until`].
    pub fn wait_for_stdout(&self, part: &str) {
        self.wait_for_line(
            &format!("print «{part}»"),
            |said| &said.stdout,
            0,
            |line| line.contains(part),
        );
    }

    /// Waits for a line of a stream, from a byte on, that satisfies `condition`, and returns it. Every line is looked at
    /// once, so that long waits for what many lines come before do not slow the process down that says them.
    fn wait_for_line(
        &self,
        wanted: &str,
        stream: fn(&Said) -> &str,
        from: usize,
        mut condition: impl FnMut(&str) -> bool,
    ) -> String {
        let mut seen = from;
        self.wait_until(wanted, |said| {
            let stream = stream(said);
            let new = &stream[seen..];
            seen = stream.len();
            new.lines().find(|line| condition(line)).map(str::to_owned)
        })
    }

    /// What it has said so far.
    pub fn said(&self) -> Said {
        self.transcript.lock().clone()
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If [`LIMIT`] passes.
    pub fn finish(self) -> Finished {
        self.finish_within(LIMIT)
    }

    /// As [`Process::finish`] with another limit.
    ///
    /// # Panics
    ///
    /// If the limit passes.
    pub fn finish_within(mut self, limit: Duration) -> Finished {
        let running = |said: &mut Said| said.open_streams > 0;
        let waited = self
            .transcript
            .changed
            .wait_timeout_while(self.transcript.lock(), limit, running);
        let (said, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let said = (!timeout.timed_out()).then(|| said.clone());
        let Some(said) = said else {
            panic!("`{}` did not end within {} s", self.command_line, limit.as_secs());
        };
        let status = self.child.wait().expect("a process that we started can be awaited");
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: said.stdout,
            stderr: said.stderr,
            command_line: self.command_line.clone(),
        }
    }
}

impl Said {
    /// Whether it will say nothing more.
    pub fn is_over(&self) -> bool {
        self.open_streams == 0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = self.transcript.lock();
            let Self { command_line, .. } = &self;
            let Said { stdout, stderr, .. } = &*said;
            eprintln!("--- {command_line}\n--- stdout\n{stdout}--- stderr\n{stderr}---");
        }
    }
}

impl Finished {
    /// Runs `program` to its end.
    ///
    /// # Panics
    ///
    /// As [`Process::start`] and [`Process::finish`].
    pub fn of(program: Program, arguments: &[&str]) -> Self {
        Process::start(program, arguments).finish()
    }

    /// Checks the exit code and returns itself.
    ///
    /// # Panics
    ///
    /// If it is another, with all that the process said.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let Self {
            stdout,
            stderr,
            command_line,
            ..
        } = &self;
        assert_eq!(
            (self.code, self.signal),
            (Some(code), None),
            "exit code and signal of `{command_line}`\n--- stdout\n{stdout}--- stderr\n{stderr}---"
        );
        self
    }
}

/// Does what must not happen while a process of this program starts. For a moment a starting process holds all files
/// that are open here: the lock of an HDF5 file would outlive its closing, and a program just written could not be run.
pub fn while_nothing_else_starts<T>(action: impl FnOnce() -> T) -> T {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    action()
}

impl Transcript {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes a stream's lines until its end.
fn listen(
    stream: impl Read + Send + 'static,
    transcript: &Arc<Transcript>,
    side: impl Fn(&mut Said) -> &mut String + Send + 'static,
) {
    let transcript = Arc::clone(transcript);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            side(&mut transcript.lock()).push_str(&String::from_utf8_lossy(&line));
            transcript.changed.notify_all();
            line.clear();
        }
        transcript.lock().open_streams -= 1;
        transcript.changed.notify_all();
    });
}
