// Command weir is the streaming database: server, demo and debug tools.
package main

func main() {}
