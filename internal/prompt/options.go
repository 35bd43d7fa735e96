package prompt

import (
	"errors"
	"io/fs"
	"os"
	"regexp"

	"star97/internal/strictyaml"
)

// Options are what a site can choose about prompts.
type Options struct {
	// Language is spoken where nothing else is known: a BCP 47 tag that has a
	// folder. Default en-US.
	Language string `yaml:"language"`
	// Folder holds a site's own recordings, one sub-folder with manifest.yaml per
	// language. Default: none.
	Folder string `yaml:"folder"`
}

// DefaultOptions speaks American English with the masters of the program.
func DefaultOptions() Options { return Options{Language: "en-US"} }

var tagShape = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// Validate checks the shape of the options; Open checks that the folders exist.
func (o Options) Validate() error {
	if !tagShape.MatchString(o.Language) {
		return errors.New("language: give a BCP 47 tag such as en-US")
	}
	return nil
}

// Open loads the masters of the program and those of o.Folder over them.
func Open(o Options, base fs.FS) (*Catalogue, []strictyaml.Problem) {
	sources := []source{{fsys: base, prefix: "prompts"}}
	if o.Folder != "" {
		sources = append(sources, source{fsys: os.DirFS(o.Folder), prefix: o.Folder, overlay: true})
	}
	return load(o.Language, sources)
}
