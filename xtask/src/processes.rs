//! Ending a command that hangs, together with everything that it started.
//!
//! A hung test is a grandchild (`cargo` starts it), so killing the child alone would leave it running. A process group
//! would do, but would also cut the children off from Ctrl-C at the terminal; so the family is looked up instead.

use std::process::{Child, Command, Stdio};

/// Kills `child` and, where `ps` can tell who they are, its descendants. Says first what each of their threads was at: of a test that hangs once
/// in a hundred runs nothing else is left.
pub(crate) fn kill_family(child: &mut Child) {
    let family = descendants(child.id(), &parents());
    let list: Vec<String> = family.iter().map(u32::to_string).collect();
    // A test's thread has the beginning of its name. With the time that it took, and the kernel's function that it waits in.
    let _ = Command::new("ps").args(["-L", "-o", "pid,lwp,stat,time,wchan:24,comm", "-p", &list.join(",")]).status();
    for process in family {
        // One that has ended meanwhile is what we want: the exit status says nothing useful.
        let _ = Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
    }
    let _ = child.kill();
}

/// All processes as (id, parent's id); empty where there is no `ps`.
fn parents() -> Vec<(u32, u32)> {
    let Ok(output) = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(pair).collect()
}

fn pair(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|row| row.1 == parent).map(|row| row.0));
        next += 1;
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::{descendants, pair};

    #[test]
    fn grandchildren_are_found_and_strangers_are_not() {
        let table = [(2, 1), (10, 2), (11, 10), (12, 10), (13, 12), (20, 2)];
        assert_eq!(descendants(10, &table), [11, 12, 13]);
        assert_eq!(descendants(13, &table), []);
    }

    #[test]
    fn a_line_of_ps_is_two_numbers() {
        assert_eq!(pair("   17     4"), Some((17, 4)));
        assert_eq!(pair("PID PPID"), None);
        assert_eq!(pair("17"), None);
    }
}
