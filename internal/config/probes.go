package config

import (
	"fmt"
	"maps"
	"slices"

	"star97/internal/backend"
	"star97/internal/dialplan"
	"star97/internal/strictyaml"
)

// checkProbes tells what is wrong with the probes, and which are asked for and not there.
func (c *Config) checkProbes(file *strictyaml.File) (all []strictyaml.Problem) {
	for _, name := range slices.Sorted(maps.Keys(c.Probes)) {
		if !storeName.MatchString(name) {
			all = append(all, file.Problem("$.probes", fmt.Sprintf("The probe %q is no name.", name),
				"Use 1 to 32 small letters, digits and hyphens."))
			continue
		}
		all = append(all, locate(file, "probes."+name, c.Probes[name].Validate())...)
	}
	need := func(at string, v backend.Verify) {
		if _, there := c.Probes[v.Name]; v.By == "probe" && v.Name != "" && !there && !file.Spoiled("$.probes."+v.Name) {
			all = append(all, file.Problem("$."+at+".verify.name", fmt.Sprintf("There is no probe %s.", v.Name), "Name one of probes, or add it there."))
		}
	}
	need("store", c.Store.Verify)
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		need("stores."+name, c.Stores[name].Verify)
	}
	return all
}

// slowProbes are those whose answer a caller does not wait for.
func (c *Config) slowProbes() (all []dialplan.Warning) {
	for _, name := range slices.Sorted(maps.Keys(c.Probes)) {
		if within := c.Probes[name].Within; within >= c.Call.StoreDeadline {
			all = append(all, warning("$.probes."+name+".within", "probes.%s.within is %v, but a caller waits no longer than call.store_deadline, %v, and is told then that nobody knows: raise the one or lower the other.", name, within, c.Call.StoreDeadline))
		}
	}
	return all
}
