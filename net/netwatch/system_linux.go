package netwatch

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemEvents wakes at each message of the kernel about links, addresses and routes (rtnetlink(7)).
// Without that socket the channel is nil.
func systemEvents() (events <-chan struct{}, stop func()) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, func() {}
	}
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		_ = unix.Close(fd)
		return nil, func() {}
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	wake := make(chan struct{}, 1)
	var reading sync.WaitGroup
	reading.Go(func() { runEvents(socket, wake) })
	return wake, func() {
		_ = socket.Close()
		reading.Wait()
	}
}

// runEvents reads until the socket is closed. What the messages say is looked up afterwards, so that
// those that were lost (ENOBUFS) do not matter.
func runEvents(socket *os.File, wake chan<- struct{}) {
	defer close(wake)
	buf := make([]byte, 1<<16)
	for {
		_, err := socket.Read(buf)
		if err != nil && !isOverrun(err) {
			return
		}
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

func isOverrun(err error) bool {
	pathError, ok := err.(*os.PathError)
	return ok && pathError.Err == unix.ENOBUFS
}

// systemRoutes lists the unicast routes of all tables.
func systemRoutes() string {
	dump, err := syscall.NetlinkRIB(unix.RTM_GETROUTE, unix.AF_UNSPEC)
	if err != nil {
		return ""
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return ""
	}
	var routes []string
	for i := range messages {
		if route := routeOf(&messages[i]); route != "" {
			routes = append(routes, route)
		}
	}
	slices.Sort(routes)
	return strings.Join(routes, "\n")
}

// routeOf writes a route down; empty for what is none, or only says which addresses are this machine's.
func routeOf(m *syscall.NetlinkMessage) string {
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg {
		return ""
	}
	head := (*unix.RtMsg)(unsafe.Pointer(&m.Data[0]))
	if head.Type != unix.RTN_UNICAST || head.Flags&unix.RTM_F_CLONED != 0 {
		return ""
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return ""
	}
	var route strings.Builder
	fmt.Fprintf(&route, "%d/%d", head.Family, head.Dst_len)
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.RTA_DST, unix.RTA_GATEWAY, unix.RTA_OIF, unix.RTA_PRIORITY, unix.RTA_TABLE, unix.RTA_MULTIPATH:
			fmt.Fprintf(&route, " %d:%x", a.Attr.Type, a.Value)
		}
	}
	return route.String()
}

// asleep is for how long this machine slept since it was started: one of the two clocks goes on then
// (clock_gettime(2)), and neither is moved when the time of day is set.
func asleep() time.Duration {
	var with, without unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &with) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &without) != nil {
		return 0
	}
	return time.Duration(with.Nano() - without.Nano())
}
