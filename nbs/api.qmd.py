"""
---
title: Functions and classes
description: Everything that the package exports, chapter by chapter
---
"""
from droughtal.apps.readme import api_text

print(api_text())
