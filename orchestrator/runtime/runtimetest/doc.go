// Package runtimetest is the contract of runtime.Runtime in executable form: every runtime passes it, with real nodes,
// whether its time is virtual or real. It waits on conditions by the runtime's own clock and knows of no driver.
package runtimetest
