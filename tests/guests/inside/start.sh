# Sourced by the guest's PID 1, which has mounted the second disk: mounts what a host has, then runs the job.
# Kernel parameters: guest.job=NAME, guest.of=NAME, guest.cgroup=v1|hybrid|v2 (without it: v2).
# shellcheck shell=sh
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for where in /dev/shm /tmp /run /var/tmp; do mount -t tmpfs tmpfs $where; done
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null

parameter() { sed -n "s/.*guest\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
cgroup=$(parameter cgroup)
case $cgroup in
  v1 | hybrid)
    mount -t tmpfs cgroup /sys/fs/cgroup
    for controller in memory pids cpu freezer; do
      mkdir /sys/fs/cgroup/$controller
      mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller
    done
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
    if [ "$cgroup" = hybrid ]; then
      mkdir /sys/fs/cgroup/unified
      mount -t cgroup2 cgroup /sys/fs/cgroup/unified
    fi ;;
  *) mount -t cgroup2 cgroup /sys/fs/cgroup ;;
esac
ip link set lo up

# the tests write next to themselves; and a user's processes are children of a session, not PID 1 of the host
cp -a /guest/src /tmp/src && cd /tmp/src || exit
PYTHONDONTWRITEBYTECODE=1 COLUMNS=80 SIGTRACE_PATIENCE=10 \
  setsid python3 -m "tests.guests.inside.$(parameter job)" "$(parameter of)" 2>&1
sync
