// What programs in Go usually ask of the kernel. One line a check on stdout: its name, `ok` or its
// error.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const big = 64 << 20

func threads() error {
	var group sync.WaitGroup
	for i := 0; i < 16; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			runtime.LockOSThread() // a thread for each, that ends with it
			for turn := 0; turn < 1000; turn++ {
				runtime.Gosched()
			}
		}()
	}
	group.Wait()
	return nil
}

func processes() error {
	out, err := exec.Command("/bin/sh", "-c", "echo out").Output()
	if err == nil && string(out) != "out\n" {
		err = fmt.Errorf("%q", out)
	}
	return err
}

func echo(network, address string) error {
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() {
		if peer, err := listener.Accept(); err == nil {
			io.Copy(peer, peer)
			peer.Close()
		}
	}()
	client, err := net.Dial(network, listener.Addr().String())
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err = client.Write([]byte("echo")); err != nil {
		return err
	}
	_, err = io.ReadFull(client, make([]byte, 4))
	return err
}

func sockets() error {
	if err := echo("unix", filepath.Join(os.TempDir(), "go.sock")); err != nil {
		return err
	}
	if err := echo("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	interfaces, err := net.Interfaces()
	if err == nil && len(interfaces) == 0 {
		err = errors.New("no interface, not even lo")
	}
	return err
}

func serving() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(listener, http.NotFoundHandler())
	answer, err := http.Get("http://" + listener.Addr().String())
	if err == nil && answer.StatusCode != http.StatusNotFound {
		err = errors.New(answer.Status)
	}
	return err
}

func timers() error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	<-ticker.C
	<-time.After(time.Millisecond)
	return nil
}

func noNameService() error {
	if _, err := net.LookupHost("nobody.invalid"); err == nil {
		return errors.New("a name was resolved")
	}
	return nil
}

func files() error {
	directory, err := os.MkdirTemp("", "f")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	from, err := os.Create(filepath.Join(directory, "a"))
	if err != nil {
		return err
	}
	if _, err = from.Write(make([]byte, 100_000)); err != nil {
		return err
	}
	if _, err = from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := os.Create(filepath.Join(directory, "b"))
	if err != nil {
		return err
	}
	if _, err = io.Copy(to, from); err != nil { // copy_file_range(2)
		return err
	}
	if err = syscall.Flock(int(to.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	page, err := syscall.Mmap(int(to.Fd()), 0, 4096, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	return syscall.Munmap(page)
}

func memory() error {
	block := make([]byte, big)
	for at := 0; at < big; at += 4096 {
		block[at] = 1
	}
	block = nil
	runtime.GC()
	return nil
}

func signals() error {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1)
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		return err
	}
	<-got
	return nil
}

func main() {
	checks := []struct {
		name string
		run  func() error
	}{
		{"threads", threads}, {"processes", processes}, {"sockets", sockets}, {"http", serving},
		{"timers", timers}, {"no_name_service", noNameService}, {"files", files},
		{"memory", memory}, {"signals", signals},
	}
	fmt.Print("HTTP/1.0 200 OK\r\n\r\n")
	for _, check := range checks {
		if err := check.run(); err != nil {
			fmt.Println(check.name, err)
		} else {
			fmt.Println(check.name, "ok")
		}
	}
}
