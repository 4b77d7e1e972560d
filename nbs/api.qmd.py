"""
---
title: Functions and classes
description: The names that most users need, in the order in which they meet them, and the chapters
---
"""
from droughtal.apps.readme import api_text

print(api_text())
