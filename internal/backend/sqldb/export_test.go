package sqldb

// Tests outside this package make stores with hashes that cost nothing, too.
var (
	OpenForTest = openStore
	Cheap       = cheapOptions
)
