"""Listings of buckets that are made to cost time or memory."""

from tests.support.sources.hostile.pages import number, repeat
from weft.errors import SourceUnavailable
from weft.sources.objects import s3
from weft.sources.objects.gcs import parse_page
from weft.sources.objects.listing_xml import parse_listing
from weft.testing.hostile import HostileParser

_HEAD, _FOOT = b"<ListBucketResult><Contents>", b"</Contents></ListBucketResult>"
_KEY, _END = _HEAD + b"<Key>", b"</Key>" + _FOOT
_ITEMS, _CLOSED = b'{"kind":"storage#objects","items":[', b"]}"

LISTING_XML = HostileParser(
    "the listing of S3 and Azure",
    lambda content: parse_listing(content, s3.SHAPE),
    {
        "many entries": number("<Contents><Key>%d</Key></Contents>", b"<ListBucketResult>"),
        "empty entries": repeat(b"<Contents/>", b"<ListBucketResult>", b"</ListBucketResult>"),
        "entries in entries": repeat(b"<Contents>", b"<ListBucketResult>"),
        "keys of one entry": repeat(b"<Key>a</Key>", _HEAD, _FOOT),
        "other values": number("<a%d>x</a0>", _HEAD, _FOOT),
        "other empty values": number("<a%d/>", _HEAD, _FOOT),
        "values beside": number("<Name>%d</Name>", b"<ListBucketResult>", b"</ListBucketResult>"),
        "deep": repeat(b"<a>", b"<ListBucketResult>"),
        "a long key": repeat(b"a", _KEY, _END),
        "a key in pieces": repeat(b"a<!---->", _KEY, _END),
        "a key of references": repeat(b"&#97;", _KEY, _END),
        "a key of data": repeat(b"<![CDATA[a]]>", _KEY, _END),
        "a key of escapes": repeat(b"%41", _KEY, _END),
        "a key of lines": repeat(b"\n", _KEY, _END),
        "attributes": number(" a%d=''", b"<ListBucketResult", b"/>"),
        "a long attribute": repeat(b"a", b"<ListBucketResult a='", b"'/>"),
        "an attribute without end": repeat(b"a", b"<ListBucketResult a='"),
        "many namespaces": number(" xmlns:a%d='a'", b"<ListBucketResult", b"/>"),
        "a long name": repeat(b"a", b"<", b"/>"),
        "a long prefix": repeat(b"a", b"<", b":ListBucketResult/>"),
        "comments": repeat(b"<!---->", b"<ListBucketResult>", b"</ListBucketResult>"),
        "a comment without end": repeat(b"-a", b"<ListBucketResult><!--"),
        "instructions": repeat(b"<?a ?>", b"<ListBucketResult>", b"</ListBucketResult>"),
        "entities": repeat(b"<!ENTITY a 'aa'>", b"<!DOCTYPE a [", b"]><ListBucketResult/>"),
        "spaces": repeat(b" ", b"", b"<ListBucketResult/>"),
        "no XML": repeat(b"a"),
        "zeros": repeat(b"\0"),
    },
    refusals=(SourceUnavailable,),
)

LISTING_JSON = HostileParser(
    "the listing of Google",
    parse_page,
    {
        "many entries": number('{"name":"%d","size":"1"},', _ITEMS, b'{"name":"a","size":"1"}]}'),
        "empty entries": repeat(b"{},", _ITEMS, b"{}" + _CLOSED),
        "lists": repeat(b"[],", _ITEMS, b"[]" + _CLOSED),
        "deep lists": repeat(b"[", _ITEMS),
        "deep objects": repeat(b'{"name":', _ITEMS),
        "zeros": repeat(b"0,", _ITEMS, b"0" + _CLOSED),
        "a long name": repeat(b"a", _ITEMS + b'{"size":"1","name":"', b'"}' + _CLOSED),
        "a name of escapes": repeat(b"\\u0041", _ITEMS + b'{"size":"1","name":"', b'"}' + _CLOSED),
        "a name of surrogates": repeat(
            b"\\ud800", _ITEMS + b'{"size":"1","name":"', b'"}' + _CLOSED
        ),
        "a long size": repeat(b"9", _ITEMS + b'{"name":"a","size":"', b'"}' + _CLOSED),
        "a long number": repeat(b"9", _ITEMS + b'{"name":"a","size":', b"}" + _CLOSED),
        "a long time": repeat(
            b"2", _ITEMS + b'{"name":"a","size":"1","updated":"', b'"}' + _CLOSED
        ),
        "a long token": repeat(b"a", b'{"kind":"storage#objects","nextPageToken":"', b'"}'),
        "a list as token": repeat(b"1,", b'{"kind":"storage#objects","nextPageToken":[', b"1]}"),
        "a list as name": repeat(b"1,", _ITEMS + b'{"size":"1","name":[', b"1]}" + _CLOSED),
        "fields": number('"%d":1,', b"{", b'"kind":"storage#objects"}'),
        "the same field": repeat(b'"items":[],', b"{", b'"kind":"storage#objects"}'),
        "cut": repeat(b'{"name":"a","size":"1"},', _ITEMS),
        "quotes": repeat(b'"'),
        "spaces": repeat(b" ", b"", b"{}"),
        "no JSON": repeat(b"a"),
        "nulls": repeat(b"\0"),
    },
    refusals=(SourceUnavailable,),
)
