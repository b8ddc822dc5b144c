// A Go handler: takes one connection, answers one HTTP request, exits.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
)

// receiveConnection blocks until faasd has a connection for this container.
func receiveConnection() (net.Conn, error) {
	control, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: "/control.sock", Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer control.Close()
	text := make([]byte, 16)
	rights := make([]byte, syscall.CmsgSpace(4))
	_, rightsLength, _, _, err := control.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, fmt.Errorf("receive from /control.sock: %w", err)
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:rightsLength])
	if err != nil || len(messages) == 0 {
		return nil, errors.New("/control.sock was closed before a connection came")
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, errors.New("the message carries no descriptor")
	}
	file := os.NewFile(uintptr(fds[0]), "connection")
	defer file.Close() // FileConn has a copy of its own
	return net.FileConn(file)
}

// oneConnection is a listener that has a single connection to give; Accept then waits until that
// connection has ended.
type oneConnection struct {
	ready   chan net.Conn
	address net.Addr
}

func newOneConnection(connection net.Conn) *oneConnection {
	listener := &oneConnection{ready: make(chan net.Conn, 1), address: connection.LocalAddr()}
	listener.ready <- connection
	return listener
}

func (l *oneConnection) Accept() (net.Conn, error) {
	connection, more := <-l.ready
	if !more {
		return nil, net.ErrClosed
	}
	return connection, nil
}

func (l *oneConnection) Close() error   { return nil }
func (l *oneConnection) Addr() net.Addr { return l.address }

// Your own code goes here; it is any http.Handler.
func handle(w http.ResponseWriter, r *http.Request) {
	length, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // the client left
	}
	hostname, _ := os.Hostname()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Hello from Go on %s.\n%s %s\nbody: %d bytes\n", hostname, r.Method, r.URL, length)
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("handler: ")
	connection, err := receiveConnection()
	if err != nil {
		log.Fatal(err)
	}
	listener := newOneConnection(connection)
	server := &http.Server{Handler: http.HandlerFunc(handle)}
	server.SetKeepAlivesEnabled(false) // one request, then the container is gone
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			close(listener.ready)
		}
	}
	if err := server.Serve(listener); !errors.Is(err, net.ErrClosed) {
		log.Fatal(err)
	}
}
