//! A seccomp filter that finds a system call's number by halving.
//!
//! Linux runs a new filter once for every number that a call can have, to know which need not be looked at again. A list
//! that is gone through from its beginning makes that a third of a millisecond of every mounting.

use std::io;

use nix::errno::Errno;
use seccompiler::{BpfProgram, sock_filter};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// It fails with this error.
    Fail(Errno),
    /// It is allowed if its first argument, of which Linux looks at 32 bits, has all these bits.
    AllowWith(u32),
}

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = if cfg!(target_endian = "little") { 16 } else { 20 };

fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf: 0, k }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_NOT_LESS: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const MASK: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;

fn outcome(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Allow => libc::SECCOMP_RET_ALLOW,
        Verdict::Fail(errno) => libc::SECCOMP_RET_ERRNO | (errno as i32).cast_unsigned(),
        Verdict::AllowWith(_) => libc::SECCOMP_RET_KILL_PROCESS,
    }
}

/// The filter for calls of one architecture (`AUDIT_ARCH_…`); all others end the process. `listed`: numbers and what
/// becomes of them; with all others `otherwise` happens.
///
/// # Errors
/// When there are more cases than a filter's jumps reach over.
pub(super) fn program(architecture: u32, listed: &[(u32, Verdict)], otherwise: Verdict) -> io::Result<BpfProgram> {
    let mut listed = listed.to_vec();
    listed.sort_unstable_by_key(|(number, _)| *number);
    // Ranges by their first number; each goes up to the next one.
    let mut ranges: Vec<(u32, Verdict)> = vec![(0, otherwise)];
    for (number, verdict) in listed {
        for (from, verdict) in [(number, verdict), (number.saturating_add(1), otherwise)] {
            match ranges.last_mut() {
                Some(last) if last.0 == from => last.1 = verdict,
                _ => ranges.push((from, verdict)),
            }
        }
    }
    ranges.dedup_by_key(|(_, verdict)| *verdict);
    let mut program = vec![
        instruction(LOAD, ARCHITECTURE),
        sock_filter { jt: 1, ..instruction(IF_EQUAL, architecture) },
        instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(LOAD, NUMBER),
    ];
    halve(&ranges, &mut program)?;
    Ok(program)
}

/// Appends what tells these ranges from one another.
fn halve(ranges: &[(u32, Verdict)], program: &mut BpfProgram) -> io::Result<()> {
    let (left, right) = ranges.split_at(ranges.len() / 2);
    match (left.is_empty(), right) {
        (true, [(_, Verdict::AllowWith(bits)), ..]) => {
            program.push(instruction(LOAD, FIRST_ARGUMENT));
            program.push(instruction(MASK, *bits));
            program.push(sock_filter { jf: 1, ..instruction(IF_EQUAL, *bits) });
            program.push(instruction(RETURN, outcome(Verdict::Allow)));
            program.push(instruction(RETURN, outcome(Verdict::Fail(Errno::EPERM))));
        }
        (true, [(_, verdict), ..]) => program.push(instruction(RETURN, outcome(*verdict))),
        (false, [(from, _), ..]) => {
            let here = program.len();
            program.push(instruction(IF_NOT_LESS, *from));
            halve(left, program)?;
            let over = u8::try_from(program.len() - here - 1).map_err(|_| io::Error::other("too many calls"))?;
            if let Some(jump) = program.get_mut(here) {
                jump.jt = over;
            }
            halve(right, program)?;
        }
        (_, []) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHITECTURE_HERE: u32 = 0xC000_003E;

    /// What Linux does with a filter.
    fn run(program: &BpfProgram, architecture: u32, number: u32, argument: u64) -> (u32, usize) {
        let (mut at, mut value, mut steps) = (0, 0, 0);
        loop {
            let step = &program[at];
            at += 1;
            steps += 1;
            let jump = |condition: bool| usize::from(if condition { step.jt } else { step.jf });
            match u32::from(step.code) {
                LOAD => {
                    value = match step.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST_ARGUMENT => argument as u32,
                        other => panic!("{other}"),
                    }
                }
                IF_EQUAL => at += jump(value == step.k),
                IF_NOT_LESS => at += jump(value >= step.k),
                MASK => value &= step.k,
                RETURN => return (step.k, steps),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn every_number_gets_its_verdict_in_a_few_steps() {
        let listed: Vec<(u32, Verdict)> = (0..400)
            .filter(|number| number % 7 < 2)
            .map(|number| (number, if number == 56 { Verdict::AllowWith(0x30) } else { Verdict::Allow }))
            .chain([(435, Verdict::Fail(Errno::ENOSYS))])
            .collect();
        // Distances of jumps are bytes.
        assert!(program(1, &listed.iter().map(|(n, v)| (n * 2, *v)).collect::<Vec<_>>(), Verdict::Allow).is_ok());
        let made = program(ARCHITECTURE_HERE, &listed, Verdict::Fail(Errno::EPERM)).unwrap();
        for number in (0..1000).chain([u32::MAX - 1, u32::MAX, 0x4000_0000]) {
            let expected = match listed.iter().find(|(listed, _)| *listed == number) {
                Some((_, verdict)) => *verdict,
                None => Verdict::Fail(Errno::EPERM),
            };
            if let Verdict::AllowWith(bits) = expected {
                for (argument, verdict) in [
                    (u64::from(bits), Verdict::Allow),
                    (u64::MAX, Verdict::Allow),
                    (u64::from(bits) << 32, Verdict::Fail(Errno::EPERM)),
                    (0x10, Verdict::Fail(Errno::EPERM)),
                ] {
                    assert_eq!(run(&made, ARCHITECTURE_HERE, number, argument).0, outcome(verdict), "{argument:x}");
                }
                continue;
            }
            let (found, steps) = run(&made, ARCHITECTURE_HERE, number, 0);
            assert_eq!(found, outcome(expected), "{number}");
            assert!(steps < 16, "{number}: {steps}");
            assert_eq!(run(&made, 7, number, 0).0, libc::SECCOMP_RET_KILL_PROCESS);
        }
    }

    #[test]
    fn too_many_cases_are_an_error() {
        let listed: Vec<(u32, Verdict)> = (0..2000).map(|number| (number * 2, Verdict::Allow)).collect();
        assert!(program(1, &listed, Verdict::Fail(Errno::EPERM)).is_err());
    }
}
