"""The consortium kit: from one member file to a network of validators and storage nodes, and how it departs from it.

``members`` reads the file; ``genesis``, ``geth``, ``besu`` and ``kubo`` are pure functions of it; ``keys`` makes the
secrets; ``generating`` writes folders and finds drift; ``checking`` compares running nodes; ``reconciling`` makes the
signers follow the seats; ``local`` runs a whole network on this machine.
"""
