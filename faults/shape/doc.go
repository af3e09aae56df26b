// Package shape makes the desired state of links true in a Linux kernel that carries a bridge: package nft cuts,
// package nfqueue delays, and Engine makes one of the two. Check tells what a host can do. It decides nothing about
// faults; package faults does.
package shape
