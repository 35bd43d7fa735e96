package sqlkit

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// PostgresOptions of one database on a PostgreSQL server.
type PostgresOptions struct {
	// name or address of the server, or the folder of its socket; of several with commas between, the one that can be written to is used
	Host           string        `yaml:"host"`
	Port           int           `yaml:"port"`            // of the server, 1-65535, default 5432
	Database       string        `yaml:"database"`        // name of the database, default star97; it belongs to User
	User           string        `yaml:"user"`            // name of the role that logs in, default star97
	Password       secret.Source `yaml:"password"`        // of User; without file and env: none, as for peer authentication on a socket
	TLS            PostgresTLS   `yaml:"tls"`             // how the server is known
	Connections    int           `yaml:"connections"`     // at a time, 2-500, default 16
	PoolWait       time.Duration `yaml:"pool_wait"`       // longest wait for one of them, 10ms-1m, default 2s
	ConnectTimeout time.Duration `yaml:"connect_timeout"` // to reach a host and log in, 100ms-1m, default 3s
	LockTimeout    time.Duration `yaml:"lock_timeout"`    // wait for another node's lock, 10ms-1m, default 5s
}

// PostgresTLS says how the server is known.
type PostgresTLS struct {
	Mode       string `yaml:"mode"`        // verify-full, the default, or plain: without TLS, only to this machine; a socket has none
	CAFile     string `yaml:"ca_file"`     // PEM file of the authorities to trust instead of the system's
	ServerName string `yaml:"server_name"` // name in the certificate where it is not the host's
}

// The modes of PostgresTLS.
const (
	verifyFull = "verify-full"
	plain      = "plain"
)

// DefaultPostgresOptions has every default but Host.
func DefaultPostgresOptions() PostgresOptions {
	return PostgresOptions{
		Port: 5432, Database: "star97", User: "star97", TLS: PostgresTLS{Mode: verifyFull},
		Connections: 16, PoolWait: 2 * time.Second, ConnectTimeout: 3 * time.Second, LockTimeout: 5 * time.Second,
	}
}

// In returns o with its relative paths taken from dir.
func (o PostgresOptions) In(dir string) PostgresOptions {
	o.Password = o.Password.In(dir)
	if f := o.TLS.CAFile; f != "" && !filepath.IsAbs(f) {
		o.TLS.CAFile = filepath.Join(dir, f)
	}
	return o
}

// Validate tells every field that is out of its range.
func (o PostgresOptions) Validate() error {
	all := []error{o.validateHosts()}
	for _, f := range []struct {
		name        string
		value, a, b int
	}{{"port", o.Port, 1, 65535}, {"connections", o.Connections, 2, 500}} {
		if f.value < f.a || f.value > f.b {
			all = append(all, fmt.Errorf("%s is %d: use %d to %d", f.name, f.value, f.a, f.b))
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"pool_wait", o.PoolWait, 10 * time.Millisecond},
		{"connect_timeout", o.ConnectTimeout, 100 * time.Millisecond},
		{"lock_timeout", o.LockTimeout, 10 * time.Millisecond},
	} {
		if f.value < f.least || f.value > time.Minute {
			all = append(all, fmt.Errorf("%s is %v: use %v to 1m", f.name, f.value, f.least))
		}
	}
	if o.Database == "" {
		all = append(all, errors.New("database is empty: name the database"))
	}
	if o.User == "" {
		all = append(all, errors.New("user is empty: name the role that logs in"))
	}
	if !o.Password.Empty() {
		all = append(all, strictyaml.Under("password", o.Password.Validate()))
	}
	return errors.Join(all...)
}

func (o PostgresOptions) validateHosts() error {
	if o.TLS.Mode != verifyFull && o.TLS.Mode != plain {
		return fmt.Errorf("tls.mode is %q: use %s or %s", o.TLS.Mode, verifyFull, plain)
	}
	for _, host := range o.hosts() {
		switch {
		case host == "":
			return errors.New("host is empty: name the server, or the folder of its socket")
		case strings.ContainsAny(host, "=?@ ") || strings.Contains(host, "://"):
			return errors.New("host is no name: write the server's name alone; port, database, user and password have options of their own")
		case o.TLS.Mode == plain && !local(host):
			return fmt.Errorf("tls.mode is plain for %s, another machine, where what is stored could be read and altered on the way: use %s", host, verifyFull)
		}
	}
	return nil
}

// hosts is at least one, which may be empty.
func (o PostgresOptions) hosts() []string {
	all := strings.Split(o.Host, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// place names the database for people.
func (o PostgresOptions) place() string {
	all := o.hosts()
	for i, host := range all {
		if !isSocket(host) {
			all[i] = net.JoinHostPort(host, strconv.Itoa(o.Port))
		}
	}
	return o.Database + " on " + strings.Join(all, ", ")
}

func isSocket(host string) bool { return filepath.IsAbs(host) }

// local tells whether nothing leaves this machine on the way to host.
func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return isSocket(host) || host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
