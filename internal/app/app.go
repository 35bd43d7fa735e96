// Package app builds, starts, drains and stops the whole service in one visible order.
package app
