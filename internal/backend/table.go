package backend

import (
	"log/slog"

	"star97/internal/backend/axl"
	"star97/internal/backend/broadworks"
	"star97/internal/backend/cue"
	"star97/internal/backend/netsapiens"
	"star97/internal/backend/sqldb"
	"star97/internal/backend/unity"
	"star97/internal/backend/webex"
	"star97/internal/backend/webhook"
)

// Options choose a driver and hold the options of each. The fields behind Driver,
// Verify and Find are the table of voicemail systems: one that is added here is known
// to the configuration, to star97 init and to star97 backend.
type Options struct {
	Driver string `yaml:"driver"` // one of the sections below, default sqlite; star97 backend list explains them
	// who checks the current code where the system cannot
	Verify Verify       `yaml:"verify"`
	Find   string       `yaml:"find"` // name of another store in which callers are found first, by extension; empty: in this one
	Log    *slog.Logger `yaml:"-"`    // told by the driver of what it asks; nil: of nothing

	SQLite     sqldb.Options         `yaml:"sqlite"`     // the embedded store
	Postgres   sqldb.PostgresOptions `yaml:"postgres"`   // star97's own store on a PostgreSQL server, for several nodes
	Unity      unity.Options         `yaml:"unity"`      // Cisco Unity Connection, by CUPI
	AXL        axl.Options           `yaml:"axl"`        // PINs of Cisco Unified Communications Manager, by AXL
	CUE        cue.Options           `yaml:"cue"`        // Cisco Unity Express, by its command line over SSH
	NetSapiens netsapiens.Options    `yaml:"netsapiens"` // NetSapiens SNAPsolution, by API v2 or v1
	BroadWorks broadworks.Options    `yaml:"broadworks"` // BroadWorks, by OCI-P over TCP, TLS or SOAP
	Webex      webex.Options         `yaml:"webex"`      // Webex Calling, by its REST interface
	Webhook    webhook.Options       `yaml:"webhook"`    // a web service of one's own, by star97's contract
}
