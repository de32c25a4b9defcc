"""ONVIF cameras: found on the local network, and asked for the addresses of their streams.

Everything that arrives here comes from strangers: sizes, numbers and times are bounded, XML is read
by defusedxml, and nothing is sent to an address before the address rules permit it.
"""
