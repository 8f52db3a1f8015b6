//! Drives in containers, with the commands that docs/containers.md gives: mounted outside and bound into one, and
//! mounted inside.

use super::sandbox::{Sandbox, installed, note};

/// A tree with busybox in it, a drive on `$M`, and the words of the container engines for a machine like a test's:
/// they may raise no limits, keep all of their own below /run, and touch no network.
const TREE: &str = r#"
export XDG_RUNTIME_DIR=/run/user/0
mkdir -p /run/user/0 m tree
# Machines in which nothing has mounted control groups, such as containers.
grep -q ' - cgroup' /proc/self/mountinfo || mount -t cgroup2 none /sys/fs/cgroup
tree=$DIR/tree M=$DIR/m name=${DIR##*/}
# What engines leave of control groups, as far as it is nobody's any more.
trap 'find /sys/fs/cgroup -depth -type d \( -path "*/libpod_parent*" -o -name lxc.pivot -o -name docker -o -name "*$name*" \) -exec rmdir {} + 2>/dev/null || :' EXIT
for directory in bin mnt proc dev sys tmp etc usr run images; do mkdir "$tree/$directory"; done
cp /bin/busybox "$tree/bin"
for program in sh cat ls stat test sleep seq; do ln -s busybox "$tree/bin/$program"; done
: >"$tree/etc/os-release"
echo root:x:0:0::/:/bin/sh >"$tree/etc/passwd"
echo root:x:0: >"$tree/etc/group"
mount-iso --container x.iso m
hello() { said=$("$@" </dev/null) || return; [ "$said" = hello ] || { echo "said: $said" >&2; return 1; }; }
engine() { podman --root "$1/storage" --runroot "$1/run" --tmpdir "$1/tmp" --storage-driver=vfs --runtime runc --cgroup-manager cgroupfs --events-backend=none "${@:2}"; }
limits="--rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --pids-limit=-1"
# A name space with the one hierarchy of control groups that newer engines want.
unified() { unshare -m bash -c 'umount -l -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"' bash "$@"; }
"#;

fn run(sandbox: &Sandbox, script: &str) -> String {
    sandbox.succeed(&format!("{TREE}{script}\n"))
}

fn sandbox(programs: &[&str]) -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    programs.iter().all(|program| installed(program)).then_some(sandbox)
}

#[test]
fn bubblewrap_binds_a_drive() {
    let Some(sandbox) = sandbox(&["bwrap", "busybox"]) else { return };
    run(
        &sandbox,
        r#"
hello bwrap --ro-bind / / --ro-bind "$M" /mnt --proc /proc --dev /dev cat /mnt/hello.txt
hello bwrap --unshare-all --uid 0 --ro-bind / / --ro-bind "$M" /mnt --proc /proc --dev /dev cat /mnt/hello.txt
hello unshare -m sh -c "mount --bind $M /mnt && cat /mnt/hello.txt"
hello as_user unshare -Urm sh -c "mount --rbind $M /mnt && cat /mnt/hello.txt"
"#,
    );
}

#[test]
fn nspawn_binds_a_drive() {
    let Some(sandbox) = sandbox(&["systemd-nspawn", "busybox"]) else { return };
    run(
        &sandbox,
        r#"hello systemd-nspawn -q --console=pipe --register=no --keep-unit -D "$tree" --bind-ro="$M:/mnt" /bin/cat /mnt/hello.txt"#,
    );
}

#[test]
fn runc_and_crun_bind_a_drive() {
    let Some(sandbox) = sandbox(&["runc", "crun", "busybox"]) else { return };
    run(
        &sandbox,
        r#"
mkdir bundle
cat >bundle/config.json <<END
{
  "ociVersion": "1.0.2",
  "process": {"user": {"uid": 1000, "gid": 1000}, "args": ["/bin/cat", "/mnt/hello.txt"], "cwd": "/", "env": ["PATH=/bin"]},
  "root": {"path": "$tree", "readonly": true},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "/mnt", "type": "bind", "source": "$M", "options": ["rbind", "ro", "rslave"]}
  ],
  "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}]}
}
END
cd bundle
hello runc --root /run/runc run "$name"
hello unified crun --root /run/crun --cgroup-manager=disabled run "$name"
"#,
    );
}

#[test]
fn lxc_binds_a_drive() {
    let Some(sandbox) = sandbox(&["lxc-execute", "busybox"]) else { return };
    run(
        &sandbox,
        r#"
mkdir /run/lxc
cat >lxc.conf <<END
lxc.rootfs.path = dir:$tree
lxc.mount.entry = $M mnt none bind,ro 0 0
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
END
hello lxc-execute -n "$name" -P /run/lxc -f lxc.conf -- /bin/cat /mnt/hello.txt
"#,
    );
}

#[test]
fn podman_binds_a_drive_for_root_and_others() {
    let Some(sandbox) = sandbox(&["podman", "runc", "crun", "busybox"]) else { return };
    let text = run(
        &sandbox,
        r#"
hello engine /run/p run $limits -v "$M:/mnt:ro" --rootfs "$tree" /bin/cat /mnt/hello.txt
hello engine /run/p run $limits --user 1001 -v "$M:/mnt:ro" --rootfs "$tree" /bin/cat /mnt/hello.txt
crun() { podman --root /run/c/storage --runroot /run/c/run --tmpdir /run/c/tmp --storage-driver=vfs --runtime crun --cgroup-manager cgroupfs --events-backend=none "$@"; }
export -f crun
hello unified bash -c "crun run --cgroups=disabled $limits -v $M:/mnt:ro --rootfs $tree /bin/cat /mnt/hello.txt"
# Without --container only the user who has mounted may look, in the container, too.
mkdir n
mount-iso x.iso n -o no_allow_other
hello engine /run/p run $limits -v "$DIR/n:/mnt:ro" --rootfs "$tree" /bin/cat /mnt/hello.txt
fails 1 engine /run/p run $limits --user 1001 -v "$DIR/n:/mnt:ro" --rootfs "$tree" /bin/cat /mnt/hello.txt
"#,
    );
    assert!(text.contains("Permission denied"), "{text}");
}

#[test]
fn podman_binds_a_drive_without_root() {
    let Some(sandbox) = sandbox(&["podman", "runc", "newuidmap", "busybox"]) else { return };
    let text = run(
        &sandbox,
        r#"
# A user who has numbers to give to others.
user=61234
mkdir -p /run/user/$user /run/home/m /run/home/shared
echo "iso-tester:x:$user:$user::/run/home:/bin/sh" >>/etc/passwd
echo "iso-tester:x:$user:" >>/etc/group
echo "iso-tester:500000:65536" | tee -a /etc/subuid >>/etc/subgid
echo user_allow_other >>/etc/fuse.conf
cp -a "$tree" /run/home/tree
chown -R $user:$user /run/user/$user /run/home
chmod 755 /run
as_tester() { setpriv --reuid=$user --regid=$user --clear-groups -- env USER=iso-tester XDG_RUNTIME_DIR=/run/user/$user HOME=/run/home PATH=$PATH "$@"; }
rootless() { timeout -k 1 20 setpriv --reuid=$user --regid=$user --clear-groups -- env USER=iso-tester XDG_RUNTIME_DIR=/run/user/$user HOME=/run/home PATH=$PATH \
	podman --root /run/home/storage --runroot /run/home/run --tmpdir /run/home/tmp --storage-driver=vfs --runtime runc --cgroup-manager cgroupfs --events-backend=none run $limits "$@" --rootfs /run/home/tree /bin/cat /mnt/hello.txt </dev/null; }
# Both before the first container, whose name space sees no later ones.
as_tester mount-iso x.iso /run/home/m
as_tester mount-iso --container x.iso /run/home/shared
cd /
[ "$(rootless -v /run/home/m:/mnt:ro)" = hello ]
not rootless --user 1000 -v /run/home/m:/mnt:ro
[ "$(rootless --user 1000 -v /run/home/shared:/mnt:ro)" = hello ]
[ "$(rootless --userns=keep-id -v /run/home/shared:/mnt:ro)" = hello ]
# The name space that podman keeps has a copy of the drive; nobody waits for it without end.
as_tester timeout 10 mount-iso unmount --all
"#,
    );
    assert!(text.contains("Permission denied") || text.contains("permission denied"), "{text}");
}

#[test]
fn docker_binds_a_drive() {
    // Not installed for the tests: what it does is runc's, by way of two daemons.
    if !["/usr/bin/dockerd", "/usr/sbin/dockerd"].iter().any(|path| std::path::Path::new(path).exists()) {
        note("there is no dockerd");
        return;
    }
    let Some(sandbox) = sandbox(&["docker", "containerd", "busybox"]) else { return };
    let text = run(
        &sandbox,
        r#"
umount -l -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
setsid dockerd --data-root /run/docker/data --exec-root /run/docker/exec --pidfile /run/docker/pid \
	-H unix:///run/docker/socket --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs >/run/dockerd.log 2>&1 </dev/null &
export DOCKER_HOST=unix:///run/docker/socket
if ! await docker version; then echo 'no daemon'; exit; fi
tar -C "$tree" -c . | docker import - "${name,,}" >/dev/null
if ! timeout 20 docker run --rm --network none "${name,,}" /bin/test -e /bin/cat; then echo 'no container'; exit; fi
hello docker run --rm --network none -v "$M:/mnt:ro" "${name,,}" /bin/cat /mnt/hello.txt
hello docker run --rm --network none --user 1000 --mount "type=bind,src=$M,dst=/mnt,readonly" "${name,,}" /bin/cat /mnt/hello.txt
pkill dockerd
await not pgrep -x dockerd
"#,
    );
    if text.contains("no daemon") || text.contains("no container") {
        note(&format!("dockerd does not work on this machine: {text}"));
    }
}

#[test]
fn what_is_mounted_later_is_seen_where_it_may_be() {
    let Some(sandbox) = sandbox(&["podman", "runc", "busybox"]) else { return };
    run(
        &sandbox,
        r#"
mkdir -p shared/late
mount --bind shared shared
mount --make-rshared shared
# Says what it sees, until the drive has come and gone, or five seconds are over.
watch='for i in $(seq 100); do [ -e /mnt/late/hello.txt ] && break; sleep 0.05; done
cat /mnt/late/hello.txt; for i in $(seq 100); do [ -e /mnt/late/hello.txt ] || break; sleep 0.05; done; ls /mnt/late; echo over'
timeout -k 1 25 bash -c "$(declare -f engine); engine /run/p run $limits -v $DIR/shared:/mnt:ro,rslave --rootfs $tree /bin/sh -c '$watch'" >slave </dev/null &
slave=$!
await pgrep -f "^/bin/sh -c for i in"
mount-iso --container x.iso shared/late
await grep -q hello slave
# However it ends: what is dead does not stay there either.
pkill -STOP -x mount-iso
pkill -KILL -x mount-iso
wait $slave
[ "$(cat slave)" = "$(printf 'hello\nover')" ]
"#,
    );
}

#[test]
fn a_drive_is_mounted_inside_a_container() {
    let Some(sandbox) = sandbox(&["podman", "runc", "busybox", "fusermount3"]) else { return };
    let text = run(
        &sandbox,
        r#"
# The programs and libraries of this machine, and our own.
rm -r tree/bin tree/usr
mkdir tree/usr
for name in bin sbin lib lib32 lib64 libx32; do [ ! -e /usr/$name ] || ln -s usr/$name tree/$name; done
inside() { timeout -k 1 20 bash -c "$(declare -f engine); "'engine /run/p run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --pids-limit=-1 "$@"' bash \
	-v /usr:/usr:ro -v "$DIR:/program:ro" -v "$DIR/x.iso:/images/x.iso:ro" -w /tmp "${flags[@]}" --rootfs "$tree" /bin/sh -c "$1" </dev/null; }
flags=(--device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined)
[ "$(inside '/program/mount-iso /images/x.iso -p /tmp/m && cat /tmp/m/hello.txt && /program/mount-iso unmount /tmp/m')" = hello ]
# What is missing is named, and there is a way without mounts.
flags=(--cap-add SYS_ADMIN)
fails 2 inside '/program/mount-iso /images/x.iso -p /tmp/m'
flags=(--device /dev/fuse)
fails 2 inside '/program/mount-iso /images/x.iso -p /tmp/m'
flags=()
[ "$(inside '/program/mount-iso cat /images/x.iso hello.txt')" = hello ]
[ "$(inside '/program/mount-iso extract -q /images/x.iso -C /tmp/out && cat /tmp/out/hello.txt')" = hello ]
"#,
    );
    let hints: Vec<_> = text.lines().filter(|line| line.contains("hint:")).collect();
    assert_eq!(hints.len(), 2, "{text}");
    assert!(hints[0].contains("--device /dev/fuse") && hints[0].contains("extract"), "{text}");
    assert!(hints[1].contains("--cap-add SYS_ADMIN") && hints[1].contains("extract"), "{text}");
}

#[test]
fn a_drive_is_mounted_in_a_user_name_space() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir m
chmod 777 m
own='mount-iso x.iso m -o allow_other && cat m/hello.txt && mount-iso unmount m && mount -t mount-iso x.iso m && cat m/hello.txt && mount -t fuse.mount-iso x.iso m && umount m && umount m'
[ "$(as_user timeout 20 unshare -Urm bash -c "$own")" = "$(printf 'hello\nhello')" ]
await not served
"#,
    );
}

#[test]
fn the_pod_of_kubernetes_serves_the_images_of_a_node() {
    let Some(sandbox) = sandbox(&["podman", "runc", "busybox", "fusermount3", "python3"]) else { return };
    let read = "import sys, yaml, json; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/kubernetes/mount-iso.yaml");
    let output = std::process::Command::new("/usr/bin/python3").args(["-c", read, file]).output().unwrap();
    if !output.status.success() {
        super::sandbox::skip("python3 has no yaml");
        return;
    }
    let documents: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let set = documents.as_array().unwrap().iter().find(|document| document["kind"] == "DaemonSet").unwrap();
    check(set);
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let command: Vec<_> = container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    std::fs::write(sandbox.rig.path("command"), command[2]).unwrap();
    run(
        &sandbox,
        r#"
mount-iso unmount m
bash -n command && sh -n command
rm -r tree/bin tree/usr
mkdir -p tree/usr tree/drives node/images node/drives
for name in bin sbin lib lib32 lib64 libx32; do [ ! -e /usr/$name ] || ln -s usr/$name tree/$name; done
mount --bind node/drives node/drives
mount --make-rshared node/drives
cp x.iso 'node/images/a disc.iso'
cp content/hello.txt node/images/no-disc.txt
setsid bash -c "$(declare -f engine); "'exec podman --root /run/p/storage --runroot /run/p/run --tmpdir /run/p/tmp --storage-driver=vfs --runtime runc \
	--cgroup-manager cgroupfs --events-backend=none run --rm --name daemon --network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --pids-limit=-1 --privileged \
	-e INTERVAL=0.2 -v /usr:/usr:ro -v "$DIR:$DIR:ro" -v "$DIR/node/images:/images:ro,rslave" -v "$DIR/node/drives:/drives:rshared" \
	--rootfs "$DIR/tree" /bin/sh -c "$(cat "$DIR/command")"' >pod.log 2>&1 </dev/null &
pod=$!
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2; cat pod.log >&2' ERR
await test -e 'node/drives/a disc.iso/hello.txt'
as_user cat 'node/drives/a disc.iso/hello.txt'
cp x.iso node/images/later.iso
await test -e node/drives/later.iso/hello.txt
rm node/images/later.iso
await not test -e node/drives/later.iso
# Killed whole, it leaves a dead drive, which the next one replaces.
engine /run/p kill -s TERM daemon >/dev/null
await not grep -q fuse.mount-iso /proc/self/mountinfo
await not kill -0 "$pod"
[ -z "$(ls -A node/drives)" ]
"#,
    );
}

/// What a cluster would refuse, as far as it can be told without one. (kubernetes-validate has passed the file.)
fn check(set: &serde_json::Value) {
    assert_eq!(set["apiVersion"], "apps/v1");
    let pod = &set["spec"]["template"];
    assert_eq!(set["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let volumes = names(&pod["spec"]["volumes"]);
    let container = &pod["spec"]["containers"][0];
    // Only a privileged container may have mounts seen outside of it.
    assert_eq!(container["securityContext"]["privileged"], true);
    assert_eq!(names(&container["volumeMounts"]), volumes);
    let propagations: Vec<_> =
        container["volumeMounts"].as_array().unwrap().iter().map(|one| one["mountPropagation"].as_str()).collect();
    assert_eq!(propagations, [Some("HostToContainer"), Some("Bidirectional")]);
}
