"""Certificates: `format` writes them, `check` (trusted, standard library only) decides whether they prove their claims."""

from .check import Rejected, Statement, check
from .format import Certificate, Proof, claim, seal, write_certificate

__all__ = ["Certificate", "Proof", "Rejected", "Statement", "check", "claim", "seal", "write_certificate"]
