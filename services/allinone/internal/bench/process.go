package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is a program under measurement.
type process struct {
	name string
	pid  int
	stop func() error
	done <-chan struct{} // closed when it has ended
}

// ended is an error once the process has, which none does by itself.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended by itself", p.name)
	default:
		return nil
	}
}

// start runs a program with its output in a file of the folder.
func start(dir, program string, env []string, args ...string) (*process, error) {
	name := filepath.Base(program)
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	done := make(chan struct{})
	var waited error
	go func() {
		defer close(done)
		waited = cmd.Wait()
	}()
	return &process{name: name, pid: cmd.Process.Pid, done: done, stop: func() error {
		err := cmd.Process.Signal(syscall.SIGTERM)
		if errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		<-done
		return errors.Join(err, waited, log.Close())
	}}, nil
}

// clockTicks is USER_HZ, which is 100 on every Linux that Go runs on.
const clockTicks = 100

// cpu is the CPU time of a process, in seconds, with that of children it has waited for,
// and of those that live.
func cpu(pid int) float64 {
	total := ticks(pid, true)
	for _, child := range children(pid) {
		total += ticks(child, false)
	}
	return float64(total) / clockTicks
}

func ticks(pid int, waitedFor bool) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// Fields are counted behind the name, which is in brackets and may hold anything.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	var sum int64
	last := 13 // utime and stime are 11 and 12 here; cutime and cstime follow
	if waitedFor {
		last = 15
	}
	for _, f := range fields[11:last] {
		n, _ := strconv.ParseInt(f, 10, 64) // the kernel writes numbers
		sum += n
	}
	return sum
}

func children(pid int) (pids []int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// diskBytes are those that a process had read from and written to disks, with the children it has
// waited for, and those that live.
func diskBytes(pid int) (read, written int64) {
	for _, p := range append(children(pid), pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p))
		if err != nil {
			continue // it has ended, or is another user's
		}
		for line := range strings.Lines(string(b)) {
			name, rest, _ := strings.Cut(line, ":")
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64) // the kernel writes numbers
			switch name {
			case "read_bytes":
				read += n
			case "write_bytes":
				written += n
			}
		}
	}
	return read, written
}

// Peak is the greatest resident size that a process had, in bytes; 0 where it has ended.
func Peak(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64) // the kernel writes numbers
			return n << 10
		}
	}
	return 0
}
