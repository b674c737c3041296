"""What can go wrong while documents are read.

IngestError
├── SourceError         a source cannot be listed; nothing of it was touched
│   └── TooMuchGone     a listing would remove more than a set share of it
└── DocumentError       one document cannot be read; the others go on
    ├── UnknownFormat   no loader for this kind of file
    ├── UndecodableText the bytes are no text in any encoding we trust
    ├── EmptyDocument   it holds no text (a scanned PDF, say)
    └── ParserStopped   it crashed its parser, or took too much time or memory
"""


class IngestError(Exception):
    """Any fault of ingestion; its message is one sentence for people, naming the thing and the next step."""


class SourceError(IngestError):
    """A source is missing, unreadable or not of a known kind."""


class TooMuchGone(SourceError):
    """More of a source is gone than may go at once unasked."""


class DocumentError(IngestError):
    """One document cannot be read."""


class UnknownFormat(DocumentError):
    """There is no loader for this kind of file."""


class UndecodableText(DocumentError):
    """The bytes are not text in any encoding that can be told with certainty."""


class EmptyDocument(DocumentError):
    """The document holds no text."""


class ParserStopped(DocumentError):
    """Parsing it crashed, was stopped at a limit, or came to nothing that could be used."""
