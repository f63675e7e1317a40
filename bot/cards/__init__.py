"""How an answer looks; no logic. Every message is Components V2, so that one look fits all."""
