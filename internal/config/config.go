// Package config gathers the Options of every room from one strict YAML file and names each problem with its line and remedy.
package config
