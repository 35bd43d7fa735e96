package uas

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What to do depends on why the system refuses an address; nobody can free one that this
// machine does not have.
func TestWhyAnAddressCannotBeListenedOn(t *testing.T) {
	refused := func(errno syscall.Errno) error {
		return &net.OpError{Op: "listen", Net: "tcp4", Err: os.NewSyscallError("bind", errno)}
	}
	const at = "cannot listen on tcp 192.0.2.1:5060: "
	for want, err := range map[string]error{
		at + "listen tcp4: bind: address already in use; end the program that has it, or choose another in sip.listen": refused(syscall.EADDRINUSE),
		at + "listen tcp4: bind: cannot assign requested address; this machine does not have it, or not yet: write one of its own " +
			"in sip.listen (`ip address` shows them), or start star97 when the network is up": refused(syscall.EADDRNOTAVAIL),
		at + "listen tcp4: bind: permission denied; a port below 1024 takes root or CAP_NET_BIND_SERVICE: choose another in sip.listen": refused(syscall.EACCES),
		at + "listen tcp4: bind: address family not supported by protocol; choose another in sip.listen":                                refused(syscall.EAFNOSUPPORT),
		at + "key: there is no such file; make it": errors.New("key: there is no such file; make it"),
	} {
		e := &BindError{At: 1, Listen: Listen{Network: "tcp", Address: "192.0.2.1:5060"}, Err: err}
		require.EqualError(t, e, want)
		require.ErrorIs(t, e, err)
	}
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer gone.Close()
	_, err = net.Listen("tcp4", gone.Addr().String())
	require.ErrorIs(t, &BindError{Err: err}, syscall.EADDRINUSE)
}
