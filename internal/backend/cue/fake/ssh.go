package fake

import (
	"context"
	"errors"
	"net"

	"golang.org/x/crypto/ssh"
)

var errDenied = errors.New("denied")

// serve is one SSH connection.
func (f *Server) serve(ctx context.Context, c net.Conn, config *ssh.ServerConfig) {
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.Close()
	// Requests of the connection: started here; stops when it has ended.
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		if asked.ChannelType() != "session" {
			_ = asked.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		shell := make(chan struct{})
		// Requests of the session: started here; stops when it has ended.
		go func() {
			for r := range requests {
				ok := r.Type == "pty-req" || r.Type == "shell"
				if r.WantReply {
					_ = r.Reply(ok, nil)
				}
				if r.Type == "shell" {
					close(shell)
				}
			}
			cancel()
		}()
		select {
		case <-shell:
			f.talk(ctx, channel)
		case <-ctx.Done():
		}
		channel.Close()
		return
	}
}
