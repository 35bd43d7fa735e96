// Command star97 answers *97 and changes voicemail access codes by telephone.
package main

func main() {}
